/* The file of the built-in embedder as bytes of the library. */
#if defined(__APPLE__)
#define SYMBOL(name) _##name
  .const
  .private_extern SYMBOL(fractal_embed_table)
  .private_extern SYMBOL(fractal_embed_table_end)
#else
#define SYMBOL(name) name
  .section .rodata, "a"
  .hidden SYMBOL(fractal_embed_table)
  .hidden SYMBOL(fractal_embed_table_end)
#endif
  .globl SYMBOL(fractal_embed_table)
  .globl SYMBOL(fractal_embed_table_end)
  .balign 64
SYMBOL(fractal_embed_table):
  .incbin FRACTAL_EMBED_TABLE_FILE
SYMBOL(fractal_embed_table_end):
  .byte 0

#if defined(__linux__) && defined(__ELF__)
  .section .note.GNU-stack, "", %progbits
#endif
