"""Rows of the zoo: heads of transformers' models, by the attention that they use and by what a call is given (`KINDS`)."""

from __future__ import annotations

# The configuration class is that of the model class.
HEADS: dict[tuple[str, str], str] = {
    ("sdpa", "text"): (
        "AlbertForPreTraining AlbertForQuestionAnswering AlbertForSequenceClassification ApertusForTokenClassification "
        "ArceeForTokenClassification BertForMaskedLM BertForTokenClassification CamembertForQuestionAnswering "
        "CamembertForSequenceClassification Data2VecTextForMaskedLM Data2VecTextForTokenClassification "
        "DiffLlamaForTokenClassification ElectraForMaskedLM ElectraForPreTraining ErnieForSequenceClassification "
        "EuroBertForMaskedLM EuroBertForTokenClassification FunAsrNanoForConditionalGeneration GPT2ForTokenClassification "
        "Glm4ForSequenceClassification GraniteSpeechPlusForConditionalGeneration HeliumForSequenceClassification "
        "JinaEmbeddingsV3ForMaskedLM JinaEmbeddingsV3ForTokenClassification LayoutLMForMaskedLM LlamaForQuestionAnswering "
        "LlamaForTokenClassification MT5ForTokenClassification MiniMaxForQuestionAnswering Ministral3ForQuestionAnswering "
        "MobileBertForQuestionAnswering ModernBertForMaskedLM Nemotron3_5TranscribeForConditionalGeneration "
        "NomicBertForTokenClassification OPTForSequenceClassification Olmo2ForSequenceClassification "
        "OlmoForSequenceClassification Phi3ForTokenClassification Qwen2AudioForConditionalGeneration Qwen2ForQuestionAnswering "
        "Qwen3ASRForTokenClassification RobertaForQuestionAnswering RobertaPreLayerNormForTokenClassification "
        "SeedOssForQuestionAnswering SeedOssForTokenClassification SmolLM3ForSequenceClassification "
        "Starcoder2ForTokenClassification UltrabertForMaskedLM UltrabertForSequenceClassification "
        "VoxtralForConditionalGeneration XLMRobertaXLForMaskedLM Cohere2VisionForConditionalGeneration Cohere2VisionModel "
        "Gemma3ForSequenceClassification GraniteDoclingForConditionalGeneration Idefics3ForConditionalGeneration "
        "Llama4ForConditionalGeneration LlavaForConditionalGeneration LlavaNextVideoForConditionalGeneration "
        "Molmo2ForConditionalGeneration QianfanOCRForConditionalGeneration SmolVLMForConditionalGeneration "
        "T5Gemma2ForSequenceClassification "
    ),
    ("eager", "image"): (
        "CvtForImageClassification DINOv3ConvNextModel DeiTForMaskedImageModeling GLPNForDepthEstimation "
        "HGNetV2Backbone HieraModel Idefics3VisionTransformer ResNetBackbone TextNetModel "
        "UperNetForSemanticSegmentation ViTMAEForPreTraining "
    ),
    ("eager", "text"): (
        "AlbertForMaskedLM AlbertForTokenClassification BertForNextSentencePrediction BertForSequenceClassification "
        "BigBirdForMaskedLM BigBirdPegasusForQuestionAnswering BioGptForTokenClassification BloomForQuestionAnswering "
        "CamembertForMaskedLM CanineForTokenClassification ConvBertForTokenClassification DebertaV2ForMaskedLM "
        "ErnieForQuestionAnswering ErnieForTokenClassification FunnelForPreTraining GPTBigCodeForTokenClassification "
        "GPTNeoXForQuestionAnswering Gemma2ForTokenClassification Gemma3TextForSequenceClassification "
        "GemmaForTokenClassification GlmAsrForConditionalGeneration GlmForTokenClassification GteForTokenClassification "
        "IBertForTokenClassification LayoutLMForSequenceClassification LayoutLMForTokenClassification MPNetForQuestionAnswering "
        "MegatronBertForMaskedLM MegatronBertForPreTraining MegatronBertForTokenClassification MixtralForQuestionAnswering "
        "MobileBertForMaskedLM MraForMaskedLM MraForTokenClassification OPTForQuestionAnswering PersimmonForTokenClassification "
        "Qwen2ForTokenClassification Qwen3ForTokenClassification Qwen3MoeForQuestionAnswering Qwen3MoeForTokenClassification "
        "RemBertForMaskedLM RoCBertForPreTraining RoCBertForQuestionAnswering RoCBertForSequenceClassification "
        "RoCBertForTokenClassification RobertaForMaskedLM RobertaForTokenClassification RobertaPreLayerNormForQuestionAnswering "
        "RobertaPreLayerNormForSequenceClassification SmolLM3ForQuestionAnswering "
        "StableLmForTokenClassification T5ForTokenClassification UltrabertForTokenClassification XLMRobertaForQuestionAnswering "
        "XLMRobertaForTokenClassification XLMRobertaXLForQuestionAnswering XLNetForQuestionAnsweringSimple "
        "XLNetForSequenceClassification YosoForQuestionAnswering AyaVisionForConditionalGeneration "
        "Cosmos3OmniForConditionalGeneration ModernVBertForSequenceClassification NemotronH_Omni_Reasoning_V3 "
        "Ovis2ForConditionalGeneration T5Gemma2ForTokenClassification UltraVBertForMaskedLM UltraVBertForTokenClassification "
    ),
    ("sdpa", "wave"): (
        "SEWForSequenceClassification UniSpeechForCTC UniSpeechSatForAudioFrameClassification "
        "UniSpeechSatForSequenceClassification "
    ),
    ("eager", "wave"): (
        "Data2VecAudioForCTC HubertForSequenceClassification UniSpeechForSequenceClassification UniSpeechSatForCTC "
        "Wav2Vec2ConformerForPreTraining Wav2Vec2ForAudioFrameClassification Wav2Vec2ForSequenceClassification "
        "WavLMForAudioFrameClassification WavLMForSequenceClassification "
    ),
    ("sdpa", "image"): ("SmolVLMVisionTransformer "),
}
