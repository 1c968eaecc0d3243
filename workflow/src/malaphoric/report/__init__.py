"""What is looked at: figures, tables, sentences, the comparison with the paper."""
