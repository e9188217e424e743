"""Letters: put into the queue here, delivered by a job."""
