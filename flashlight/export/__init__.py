"""The way back: graphs as torch modules, and torch's own graphs (torch.compile, torch.export) run by composit."""
