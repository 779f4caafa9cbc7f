"""The user's own models on pictures and captions, run by ONNX Runtime."""
