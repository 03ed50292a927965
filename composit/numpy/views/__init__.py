"""Memory that numpy would share: base and views, layout, and writes that views follow."""
