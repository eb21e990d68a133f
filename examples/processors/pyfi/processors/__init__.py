"""Example processors of Flow. They need nothing but Python."""
