"""Ready learners for the chain: PyTorch loops, scikit-learn heads, Hugging Face Trainer and LoRA adapters."""
