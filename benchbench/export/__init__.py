"""A trained encoder on its own: as files, as ONNX, with its card, and the features it gives for a folder of images."""
