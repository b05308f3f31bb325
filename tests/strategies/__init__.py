"""What tests make their inputs from: cases as data, and generators of batches."""
