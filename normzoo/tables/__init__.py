"""Tables in files: read as they are, and refused where they are not what they seem.

Torch-free, as the target column alone says what is to be learned, which is known before a worker is asked. Rows are
counted from 1, without the header. Nothing in a file is run: both formats hold values alone.
"""

from normzoo.tables._columns import Column, Target, row
from normzoo.tables._file import Layout
from normzoo.tables._table import Table, read_table, read_target

__all__ = ["Column", "Layout", "Table", "Target", "read_table", "read_target", "row"]
