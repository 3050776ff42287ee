"""What each score of the table says, in a line for the page; docs/scores.md defines them."""

import re

_NAMES = {
    "local": "the local action",
    "global": "the global action",
    "background": "the scene's motion",
    "shift": "the figure's shift",
    "background_shift": "the scene's shift",
    "onset.": ", where the action changes",
    "standing.": ", of a standing figure",
    "walking.": ", of a walking figure",
    "linear": "A linear probe",
    "mlp": "A small network",
    "codes": "the codes",
    "vectors": "the vectors",
    "repeat": "nothing changes",
    "background_motion": "only the scene's motion changes",
    "character": "only the character changes",
    "actions": "only the action changes",
    "drift": "a replay of the clip's own actions",
    "transfer": "the actions of another clip",
}
"""What parts of names are called in the words below."""
_OF, _LATENT = r"(?P<source>local|global|background)", r"(?P<latent>\w+)"
_SOURCE = _OF + r"\.(?P<part>onset\.|standing\.|walking\.|)"
_SHIFT = r"(?P<shift>shift|background_shift)"
_PLAYED = r"(?P<played>drift|transfer)\.{}\.(?P<steps>\d+)"
_EXPLANATIONS = [
    (re.compile(pattern), words)
    for pattern, words in (
        (r"codes\.perplexity", "Effective number of codes in use."),
        (r"codes\.switch_rate", "Share of consecutive transitions whose codes differ."),
        (_SOURCE + "matched_accuracy", "Share of transitions with the right code for {source}{part}, each action having one code."),
        (_SOURCE + "many_to_one", "Share of transitions with {source} told by the code{part}; an action may have several codes."),
        (_SOURCE + "ami", "How well codes and {source} agree{part}: 0 is chance, 1 is one code for each action."),
        (_SOURCE + "nmi", "Normalised mutual information of codes and {source}{part}, 0 to 1, not corrected for chance."),
        (r"local\.facing\.conditional", "What codes tell of the side that the character is seen from: 0 is chance, 1 is all."),
        (r"local\.animation\.conditional", "What codes tell of the animation, of those seen from one side: 0 is chance, 1 is all."),
        (_SOURCE + "conditional", "What codes tell of {source} beyond the other two sources: 0 is chance, 1 is all."),
        (_SOURCE + r"per_character\.ami", "Agreement of codes and {source} for each character by itself: 0 is chance, 1 is all."),
        (_SOURCE + r"per_character\.nmi", "NMI of codes and {source} for each character by itself, not corrected for chance."),
        (rf"vectors\.{_OF}\.(?P<probe>linear|mlp)", "{probe} reads {source} from the vectors: share of right answers."),
        (rf"leakage\.{_OF}\.{_LATENT}", "What {latent} add to the state before a transition in telling {source}: 0 is nothing."),
        (_SHIFT + r"\.mean", "Mean distance between {shift} and the true one: less is better."),
        (_SHIFT + r"\.p95", "Error of {shift} that 95 % of the transitions do not exceed: less is better."),
        (_SHIFT + r"\.angle", "Share of moving transitions with {shift} within 45 degrees of the true direction."),
        (r"shift\.action_accuracy", "The global action read from the shift: share of right answers."),
        (r"masks\.soft_iou", "Overlap of inferred and true masks, with soft edges: 1 is the same mask."),
        (r"masks\.hard_iou", "Overlap of inferred and true masks, cut at one half."),
        (r"masks\.boundary_f", "Agreement of the outlines of inferred and true masks, within a pixel."),
        (rf"null\.{_SHIFT}", "Length of {shift} between two equal frames, relative to its length in motion: less is better."),
        (rf"null\.{_LATENT}", "Response of {latent} to two equal frames, relative to another action: less is better."),
        (rf"nuisance\.background\.{_LATENT}", "Response of {latent} to another scene, relative to another action: less is better."),
        (rf"nuisance\.(?P<twin>\w+)\.{_LATENT}", "Response of {latent} where {twin}, relative to another action: less is better."),
        (r"control\.unreadable", "Share of frames without a recognisable character, after four steps of a code: less is better."),
        (r"control\.ghost", "Share of frames with a second figure, after four steps of a code: less is better."),
        (r"control\.consistency", "How often a code ends in the same action from two starts."),
        (r"control\.distinct", "Share of the local actions that some code generates."),
        (r"control\.faithful", "How often a code generates the local action that it was inferred from."),
        (r"control\.shift\.mean", "Distance from the place where a walk that is asked for should end: less is better."),
        (r"control\.shift\.action_accuracy", "How often the walk that is asked for is generated."),
        (r"control\.delta_psnr", "How much nearer a frame is to the action asked for than to others; 0 is no control."),
        (_PLAYED.format("local"), "Right local action at step {steps} of {played}."),
        (_PLAYED.format("position"), "Distance from the true place at step {steps} of {played}: less is better."),
        (_PLAYED.format("unreadable"), "Unrecognisable frames at step {steps} of {played}: less is better."),
        (_PLAYED.format("psnr"), "Likeness to the true frame, in decibels, at step {steps} of {played}."),
        (_PLAYED.format("ssim"), "Likeness of structures to the true frame at step {steps} of {played}."),
        (_PLAYED.format("lpips"), "Perceptual distance from the true frame at step {steps} of {played}: less is better."),
        (r"images\.fid", "Distance of generated from true frames in features of Inception: less is better."),
        (r"images\.fvd", "Distance of generated from true videos in features of I3D: less is better."),
        (r"consistency\.codes", "Share of transitions of the model's own replay that get the same code again."),
        (r"consistency\.masks", "Overlap of the masks of the clip and of the model's own replay."),
        (r"consistency\.vectors", "Distance of the vectors of the model's own replay from those of the clip: less is better."),
        (r"consistency\.shift", "Distance of the shifts of the model's own replay from those of the clip: less is better."),
    )
]  # fmt: skip


def explanation(name: str) -> str:
    """What a score says, in a sentence; the empty string for a score that the tables do not show.

    Example:
        >>> explanation("local.onset.ami")
        'How well codes and the local action agree, where the action changes: 0 is chance, 1 is one code for each action.'
    """
    for pattern, words in _EXPLANATIONS:
        if match := pattern.fullmatch(name):
            return words.format(**{key: _NAMES.get(part, part) for key, part in match.groupdict().items()})
    return ""
