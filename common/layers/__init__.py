"""What networks are made of: stacks of Keras layers, faster training on a CPU, and views into a network."""
