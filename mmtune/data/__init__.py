"""From files of records to packed rows: sources, mixtures, packing and the loader."""
