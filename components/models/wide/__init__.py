"""How a dynamic teacher is made of its student: wider layers, shared tensors, branches."""
