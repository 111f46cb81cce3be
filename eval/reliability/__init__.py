"""What answers tell of themselves beyond right and wrong: how sure, how inclined to yes, when to decline."""
