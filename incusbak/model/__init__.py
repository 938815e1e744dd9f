"""Pure data: frozen classes of the standard library's types, no behaviour beyond reading themselves."""
