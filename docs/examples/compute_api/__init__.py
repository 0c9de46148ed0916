"""A small Nova-compatible API that owns no rule: every answer comes from serverfsm."""
