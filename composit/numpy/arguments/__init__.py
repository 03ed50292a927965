"""What numpy's arguments become: axes, shapes, signatures, known positions, Python integers. The lowest folder."""
