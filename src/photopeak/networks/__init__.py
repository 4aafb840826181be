"""Networks: tensors in, tensors out. They know no Study, no file and no person."""
