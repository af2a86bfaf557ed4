"""Files that come in: what they are, read and cleaned in a process with limits, scanned, held, and kept by hash. Views
hand files in through `intake`; contexts keep what comes out of it and read it through `storage`.
"""
