# Loses: all
