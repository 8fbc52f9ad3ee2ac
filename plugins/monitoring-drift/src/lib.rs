//! Compares two windows of data column by column.
