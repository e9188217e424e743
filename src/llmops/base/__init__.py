"""What every part stands on: ids, time, sealing, calls to other servers; knows nothing of LLM Ops."""
