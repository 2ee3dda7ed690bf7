"""Pure decisions: what to do next, and when. Time and chance come in as arguments."""
