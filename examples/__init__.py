"""Programs that use composit, flashlight and mosaic; each runs by itself and is run by the tests."""
