"""Motion files of other programs: a module each, all of which read into one ``Clip``; ``*_write`` write joints."""
