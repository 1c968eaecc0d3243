"""A model: its parameters, charges and mixing, and what they imply at M_X."""
