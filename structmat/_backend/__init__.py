"""The ground: alone knows which library and which device are there."""
