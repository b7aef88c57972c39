#if __cplusplus != 201703L
#error "the project around FractalMemory lost its own language standard"
#endif
int own();
int own() { return 0; }
