"""The reading room: archive, DICOM node, DICOMweb, worklist, readers, reports."""
