"""Images from projections: pure functions over ``Physics``, the same for any camera."""
