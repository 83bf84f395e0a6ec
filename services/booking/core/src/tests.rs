//! Stories of bookings, the table of what every phase makes of every input, and properties.
