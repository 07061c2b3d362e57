"""A transparency log: Merkle tree, tiles, signed checkpoints and proofs, as RFC 6962 and C2SP write them; pure."""
