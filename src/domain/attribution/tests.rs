//! The decision table, and what never changes it.
