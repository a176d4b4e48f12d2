# Slicer packs what is installed here.
