"""A trained encoder by itself: as files, as ONNX, with its card, and the features of a folder of images."""
