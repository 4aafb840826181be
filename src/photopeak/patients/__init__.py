"""People: anatomy, tracers, lesions, artefacts, protocols and clinics."""
