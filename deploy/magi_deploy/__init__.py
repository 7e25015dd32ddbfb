"""The deployment of MAGI on AWS."""
