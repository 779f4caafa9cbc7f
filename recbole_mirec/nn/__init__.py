"""The method's networks and objective as functions and small modules; no RecBole here.

Source: S. Wang et al., "Micro-Influencer Recommendation by Multi-Perspective Account
Representation Learning", IEEE Transactions on Multimedia 25 (2023) 2749-2760,
doi 10.1109/TMM.2022.3151029. Its symbols and our names:

==========================  ===================================================================
X^p, X^t, Y^p, Y^t          features ``content_visual``, ``content_topics``, ``audience_visual``,
                            ``audience_topics``
mean node embedding in (18) features ``attribute``
sigma, mu, omega, gamma,    ``AccountEncoder.towers``, by the modality that each reads
beta
W_p, b_p, W_t, b_t          ``AccountEncoder.fusions``, by perspective and modality
W_1f, b_1f, W_2f, b_2f      ``CoAttention.sides``, by ``content`` and ``audience``
e_af; w_c, w_u; e'_c, e'_u  inside `CoAttention`; `attention_weights`; `CoAttention`
e'_c, e'_u, e_s             the perspectives ``content``, ``audience``, ``attribute`` of an account
f, g, h; F                  `perspective_scores`; their sum
L1, L2, L3; L4              `triplet_loss`; `pair_cross_entropy`
L', lambda, |theta|_1       `objective`, ``l1_weight``, the sum over `weight_matrices`
==========================  ===================================================================
"""
