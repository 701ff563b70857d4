"""One file a dataset: its schema, its reader, its tasks; and, once, where the dataset is and its licence."""
