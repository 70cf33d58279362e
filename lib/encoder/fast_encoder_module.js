// The compiled fast encoder, from which any number of instances can be made. TypeScript does not
// parse `import source`, so it stands here, with its type in fast_encoder_module.d.ts.
import source fastEncoderModule from "./fast_encoder.wasm";

export { fastEncoderModule };
