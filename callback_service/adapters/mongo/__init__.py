"""What is kept: MongoDB, or a database that speaks as it does."""
