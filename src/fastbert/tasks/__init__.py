"""What BERT is used for: classes that take texts and give answers, one file each."""
