"""Sample mParticle batches, made up, one for each situation worth showing."""
