"""What a run is: configs become objects, objects become results."""
