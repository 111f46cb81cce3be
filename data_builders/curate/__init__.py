"""What happens to rows after they are built: check, dedup, decontaminate, score, select, mix."""
