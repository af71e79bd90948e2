//! The pane, drawn and looked at.
