"""The living review: published systems, composed from the other rooms and measured side by side."""
