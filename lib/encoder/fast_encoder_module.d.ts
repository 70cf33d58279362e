/** The compiled module of lib/encoder/assembly. */
export const fastEncoderModule: WebAssembly.Module;
