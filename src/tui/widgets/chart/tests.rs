//! Charts, drawn and looked at.
