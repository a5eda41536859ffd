"""Meta-Dataset's own files, without TensorFlow: TFRecords, dataset_spec.json, dumped episodes."""
