"""What happens: receive, register, deliver, sweep; standard library and domain only."""
