"""What people have, read with checks: tables, pictures, folders of files, texts, sequences, downloads."""
